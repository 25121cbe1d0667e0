"""Who of the site's own people a program speaks for: tokens of users of the web pages."""
