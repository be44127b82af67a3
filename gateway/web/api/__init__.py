"""``/api/v1``: what the pages do, for programs. Tokens with rights, one error shape, an OpenAPI document.

``mounting`` puts it into the Flask application, ``caller`` says who calls and what they may, ``once`` keeps a repeated
write from happening twice; every other module is one resource. Shapes are those of ``gateway.answers``.
"""
