"""Fast track: what a lead does that sales must hear of at once, whatever its score; with a clock of its own."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from gateway.durations import Duration


class FastTrackForm(Schema):
    activities = fields.List(
        fields.String(),
        required=True,
        validate=validate.Length(min=1, error="an empty list is no fast track"),
        metadata={"help": "kinds of activities, such as demo_request"},
    )
    stage = fields.String(metadata={"help": "the stage they lead into; default: the first that hands over"})
    response = Duration(metadata={"help": "time sales have to answer; default: that of follow_up"})
    period = Duration(metadata={"help": "time until the end of follow-up; default: that of follow_up"})
