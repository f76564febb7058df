"""Budget of a project: runs, data, people and other costs, with intervals, calendar and exports."""
