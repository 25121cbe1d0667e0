"""Whether a project's recipe can be loaded, asked of the engine itself."""

from proxy.deid.errors import RecipeError
from proxy.deid.recipe import load_recipe


def recipe_trouble(recipe: str) -> str | None:
    """Why this recipe cannot be used, as a sentence; None if it can."""
    try:
        load_recipe(recipe)
    except RecipeError as error:
        return f"{error}."
    return None


def is_file_name(recipe: str) -> bool:
    """A recipe of the site's own, given as a file; the shipped ones have plain names."""
    return recipe.endswith((".yaml", ".yml"))
