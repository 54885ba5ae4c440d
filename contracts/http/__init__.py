"""HTTP: the OpenAPI documents, held to what runs; and pacts of what the one client is answered."""
