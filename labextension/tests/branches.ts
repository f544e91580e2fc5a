// Messages of a thread with branches, as events.
const AT = '2026-11-20T09:14:28.123Z';
const COMMON = { thread_id: 't', at: AT };

/** A thread and its messages: a question begins with `q`, and every other id is a reply's. */
export function tree(
  messages: readonly (readonly [id: string, parent: string | null, more?: object])[],
  head: string | null = null
): object[] {
  const thread = { id: 't', name: 'n', head: null, model: 'demo/echo' };
  const events: object[] = [{ ...COMMON, type: 'thread', thread }];
  for (const [id, parent_id, more = {}] of messages) {
    const isQuestion = id.startsWith('q');
    const run = isQuestion ? {} : { run_id: `r-${id}`, message_id: id };
    const { continues, status, ...fields } = more as { continues?: string; status?: string };
    events.push({
      ...COMMON,
      ...run,
      type: 'message',
      ...(continues === undefined ? {} : { continues }),
      message: {
        id,
        thread_id: 't',
        role: isQuestion ? 'user' : 'assistant',
        kind: 'chat',
        status: status ?? (isQuestion ? 'completed' : 'pending'),
        parts: [{ kind: 'text', text: `text of ${id}` }],
        model: isQuestion ? null : 'demo/echo',
        usage: null,
        stop_reason: null,
        error: null,
        run_id: isQuestion ? null : `r-${id}`,
        parent_id,
        created_at: AT,
        ...fields
      }
    });
    if (!isQuestion && status === undefined) {
      events.push({ ...COMMON, ...run, attempt: 1, type: 'finalized', status: 'completed' });
    }
  }
  if (head !== null) {
    events.push({ ...COMMON, type: 'thread', thread: { head } });
  }
  return events.map((event, index) => ({ ...event, seq: index + 1 }));
}
