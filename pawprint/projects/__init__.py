"""Operations on a project, whose folder is their first argument. Commands and the app use them."""
