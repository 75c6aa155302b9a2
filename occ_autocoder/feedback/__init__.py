"""What people say of codes: the review file, what follows from it, and models that are updated by it."""
