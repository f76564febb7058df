"""Exports of a budget: tables, documents, spreadsheets and drawings."""
