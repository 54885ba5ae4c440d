"""The shop under load: where its roles are, who asks for what, and what the judge makes of it."""
