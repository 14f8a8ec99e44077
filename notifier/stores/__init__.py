"""Where state is kept: Firestore in production, SQLite on one machine. One port, one contract suite."""
