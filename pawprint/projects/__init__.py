"""Operations on a project. Functions take its folder first; commands and the app call them."""
