"""A shop of two small services as tutorials write it, with six bugs that tutorials have.

None of it is the kit's own system: other paths, wrapped answers, another web framework. `naive.adapter`
is how the judge comes to know it. Where a line is one of the bugs, a comment says so; `repaired`
overrides those methods, and nothing else.

  purchases   takes purchases over HTTP, tells of them, and hears what became of their stock
  warehouse   keeps what is on hand, hears of purchases, and tells what it has set aside for them
"""
