/**
 * Python expressions for a kernel: one lists its variables, another describes one variable.
 *
 * The kernel evaluates the expression as a `user_expression` of a silent request, so the expression leaves
 * no name behind, and changes neither the history nor the cells' numbers. The listing calls no code of the
 * person's classes; for an unknown class it has only the name. The value is base64 of JSON, because a
 * kernel sends the `repr` of a value.
 */

/** The most variables of a listing, the newest first. */
const MOST_VARIABLES = 200;
/** The most characters of a variable's summary, and of a variable's description. */
const SUMMARY_CHARS = 160;
const DESCRIPTION_CHARS = 20_000;

// `tests/kernel/test_variables_for_the_page.py` runs this code. It must not contain backslashes or
// backticks.
export const CODE = String.raw`
import base64, json, types

TABLES = {"pandas", "polars", "geopandas", "pyarrow", "xarray", "cudf"}
ARRAYS = {"numpy", "scipy", "torch", "tensorflow", "jax", "jaxlib", "cupy"} | TABLES
NUMBERS = (bool, int, float, complex, type(None))
GROUPS = (list, tuple, set, frozenset, dict)


def packed(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


def listing(space, most, width):
    shell = space.get("get_ipython")
    try:
        hidden = shell().user_ns_hidden
    except Exception:
        hidden = {}
    names = [
        name
        for name, value in list(space.items())
        if isinstance(name, str)
        and name.isidentifier()
        and not name.startswith("_")
        and not issubclass(type(value), types.ModuleType)
        and not (name in hidden and hidden[name] is value)
    ]
    shown = names[::-1][:most]
    return packed([[row(name, space[name], width) for name in shown], len(names) - len(shown)])


def row(name, value, width):
    kind = type(value)
    shape = summary = ""
    try:
        shape, summary = told(value, kind, width)
    except Exception:
        pass
    return [name[:80], str(kind.__name__)[:80], shape[:80], summary[:width]]


def told(value, kind, width):
    root = str(kind.__module__).partition(".")[0]
    if kind in NUMBERS:
        return "", ("" if kind is int and value.bit_length() > 256 else repr(value))
    if kind in (str, bytes):
        return counted(len(value), "character" if kind is str else "byte"), repr(value[:width])
    if kind in GROUPS:
        keys = [str(key) for key in list(value)[:8] if type(key) in (str, int)]
        return counted(len(value), "item"), (", ".join(keys) if kind is dict else "")
    if kind in (types.FunctionType, types.MethodType):
        code = value.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        return "", "(" + ", ".join(code.co_varnames[:count]) + ")"
    if root in ARRAYS and hasattr(value, "shape"):
        shape = value.shape
        shape = " × ".join(str(size) for size in shape) if isinstance(shape, tuple) else str(shape)
        return shape, (columns(value) if root in TABLES else str(getattr(value, "dtype", "")))
    return "", ""


def counted(count, noun):
    return str(count) + " " + noun + ("" if count == 1 else "s")


def columns(table):
    if not hasattr(table, "columns"):
        return str(getattr(table, "dtype", ""))
    names = [str(name) for name in list(table.columns)[:20]]
    types = [str(kind) for kind in list(getattr(table, "dtypes", []))[:20]]
    return ", ".join(" ".join(pair) for pair in (zip(names, types) if types else zip(names)))


def description(space, name, most):
    if name not in space:
        return packed(None)
    value = space[name]
    kind = type(value)
    _, kind_name, shape, summary = row(name, value, most)
    head = kind_name + (", " + shape if shape else "")
    return packed(head + chr(10) + (body(value, kind, summary) or "")[:most])


def body(value, kind, summary):
    root = str(kind.__module__).partition(".")[0]
    if kind is str:
        return value
    if root in ("pandas", "geopandas") and hasattr(value, "head"):
        rows = value.head(20)
        text = rows.to_string(max_cols=30) if hasattr(value, "columns") else rows.to_string()
        return summary + chr(10) + text
    if root == "polars" and hasattr(value, "head") and hasattr(value, "shape"):
        return summary + chr(10) + str(value.head(20))
    try:
        from IPython.lib.pretty import pretty
        return pretty(value, max_seq_length=200)
    except Exception:
        return repr(value)
`;

export const LISTING = expression(`listing(globals(), ${MOST_VARIABLES}, ${SUMMARY_CHARS})`);

/** The expression that describes one variable. `name` may be any text. */
export function describing(name: string): string {
  return expression(`description(globals(), ${pythonText(name)}, ${DESCRIPTION_CHARS})`);
}

/** Decode the kernel's value of an expression, the `repr` of a text. @throws Error if it is invalid. */
export function unpack(repr: unknown): unknown {
  const match = typeof repr === 'string' ? /^'([A-Za-z0-9+/=]*)'$/.exec(repr) : null;
  if (match?.[1] === undefined) {
    throw new Error('The kernel answered with something else.');
  }
  const bytes = Uint8Array.from(atob(match[1]), letter => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** An expression that may call the functions of `CODE` and defines nothing in the kernel. */
function expression(call: string): string {
  const [, name = '', rest = ''] = /^(\w+)\((.*)\)$/s.exec(call) ?? [];
  const run = `__import__("builtins").exec(${pythonText(CODE)}, scope)`;
  return `(lambda scope: (${run}, scope["${name}"](${rest}))[1])({})`;
}

/** A text as a Python literal; ASCII JSON is one. */
function pythonText(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
  );
}
