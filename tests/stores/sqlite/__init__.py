"""What is SQLite's alone; the contract is tested in test_contract_sqlite."""
