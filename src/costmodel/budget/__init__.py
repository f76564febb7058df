"""What does the project cost? Runs, data, people and the rest as lines, with their spread, calendar and exports."""
