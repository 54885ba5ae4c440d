"""Contracts judged by what is not Python, or with a large budget: `tox -e contracts-outside`."""
