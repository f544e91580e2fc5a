"""Tools of MCP servers, which the file ``mcp.json`` names (docs/decisions/0032).

::

    servers      all servers of the file: which server has which tool
      ├─ server_file   reads the file
      └─ connection    one server: connected when needed, again after a failure
           ├─ listed       turns its tools into our definitions
           ├─ results      the results of its calls
           └─ sdk          the MCP SDK of either generation
                └─ stdio       the process of a server
"""
