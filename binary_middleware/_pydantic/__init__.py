"""Core schemas of pydantic: serializers and validators that this package makes of a model's."""
