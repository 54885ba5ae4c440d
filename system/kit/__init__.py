"""What an event-driven system is made of, and knows no shop: made to be copied, or built on.

A system gives tables (`table.System`) and is built from them. Public, and kept as they are:

- `events`, `errors`, `values`, `columns`, `locks`: the words that a domain is written in;
- `ports`: what a store has to be, and `ports.work.UnitOfWork`, what a handler is given;
- `http.route`, `http.bodies`, `http.paging`, `http.tokens`: an API;
- `table`, `spec`, `program`, `settings`, `command`: a system, its roles and its command line.

What builds it, outside in, is there to be read and changed: `command`, `process`, `roles`, `stacks`,
`chains`; then `commands`, `delivery`, `views`, `http`, `adapters` and `operations`. `skeleton` is a small
system to begin from: `python -m system.kit new FOLDER`.
"""
