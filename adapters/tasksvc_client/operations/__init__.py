"""The operations of the API, each written once for both clients: what is sent, and what is made of the answers."""
