"""How well-known senders prove who they are and want to be answered: data, in the form of the settings themselves.

A preset is what an admin could write under ``settings``, less the secrets; whatever the admin does write goes over it.
"""

from __future__ import annotations

from typing import Any

_TOKEN_HEADER = {"scheme": "token", "header": "X-Gateway-Token"}
_TOKEN_QUERY = {"scheme": "token", "query": "token"}
_STANDARD = {
    "scheme": "hmac",
    "header": "webhook-signature",
    "format": "versioned-list",
    "encoding": "base64",
    "signed": ["{id}", ".", "{timestamp}", ".", "{body}"],
    "timestamp": {"header": "webhook-timestamp"},
    "id_header": "webhook-id",
    "secret_encoding": "whsec",
}

PRESETS: dict[str, dict[str, Any]] = {
    "standard-webhooks": {"verify": _STANDARD},
    "svix": {
        "verify": _STANDARD
        | {"header": "svix-signature", "timestamp": {"header": "svix-timestamp"}, "id_header": "svix-id"},
    },
    "github": {
        "verify": {
            "scheme": "hmac",
            "header": "X-Hub-Signature-256",
            "prefix": "sha256=",
            "id_header": "X-GitHub-Delivery",
        },
    },
    "stripe": {
        "verify": {
            "scheme": "hmac",
            "header": "Stripe-Signature",
            "format": "kv",
            "signed": ["{timestamp}", ".", "{body}"],
            "timestamp": {"header": "t"},
        },
    },
    "shopify": {
        "verify": {
            "scheme": "hmac",
            "header": "X-Shopify-Hmac-SHA256",
            "encoding": "base64",
            "id_header": "X-Shopify-Webhook-Id",
        },
    },
    # A body carries up to ten events, and an event the whole contact with every field described.
    "mautic": {
        "verify": {"scheme": "hmac", "header": "Webhook-Signature", "encoding": "base64"},
        "limits": {"keys": 50_000},
    },
    # EspoCRM 8 to 10 sign so; each webhook has a secret of its own. It gives up at 429, 422, 502 and 504.
    "espocrm": {"verify": {"scheme": "hmac", "header": "X-Signature", "format": "id-colon-raw"}},
    # EspoCRM from 9 on sends this one too, and from 11 on alone.
    "espocrm-9": {"verify": {"scheme": "hmac", "header": "Signature", "format": "id-colon-hex"}},
    # Only the first item of a batch is signed.
    "segment": {"verify": {"scheme": "hmac", "header": "X-Signature", "algorithm": "sha1", "batches": "refuse"}},
    "customer-io": {
        "verify": {
            "scheme": "hmac",
            "header": "X-CIO-Signature",
            "signed": ["v0:", "{timestamp}", ":", "{body}"],
            "timestamp": {"header": "X-CIO-Timestamp"},
        },
    },
    # Klaviyo-Webhook-Id names the subscription, not the delivery, so it is no id here.
    "klaviyo": {
        "verify": {
            "scheme": "hmac",
            "header": "Klaviyo-Signature",
            "signed": ["{body}", "{timestamp}"],
            "timestamp": {"header": "Klaviyo-Timestamp", "unit": "http-date"},
        },
    },
    "klaviyo-flow": {"verify": _TOKEN_HEADER},
    "hubspot-v3": {
        "verify": {
            "scheme": "hmac",
            "header": "X-HubSpot-Signature-v3",
            "encoding": "base64",
            "signed": ["{method}", "{decoded_url}", "{body}", "{timestamp}"],
            "timestamp": {"header": "X-HubSpot-Request-Timestamp", "unit": "ms"},
        },
    },
    "sendgrid": {
        "verify": {
            "scheme": "ecdsa-p256",
            "header": "X-Twilio-Email-Event-Webhook-Signature",
            "encoding": "base64",
            "signed": ["{timestamp}", "{body}"],
            "timestamp": {"header": "X-Twilio-Email-Event-Webhook-Timestamp"},
        },
    },
    # The signature stands in the body and does not cover the rest of it: whoever has seen one call can change its data
    # for five minutes. Keep the path secret and use HTTPS.
    "mailgun": {
        "verify": {
            "scheme": "hmac",
            "header": "signature.signature",
            "format": "body-field",
            "signed": ["{timestamp}", "{id}"],
            "timestamp": {"header": "signature.timestamp"},
            "id_header": "signature.token",
        },
    },
    "cloudevents": {
        "verify": {"scheme": "token", "header": "Authorization", "prefix": "Bearer ", "query": "access_token"},
        "body": "cloudevents",
        "answer": {"echo_origin": True, "busy": 429},
    },
    "iterable": {"verify": {"scheme": "token", "header": "Authorization"}},
    "braze": {"verify": {"scheme": "token", "header": "Authorization", "prefix": "Bearer "}},
    "marketo": {"verify": _TOKEN_HEADER},
    "activecampaign": {"verify": _TOKEN_QUERY, "body": "form"},
    # Mailchimp calls with GET first and wants a 200.
    "mailchimp": {"verify": _TOKEN_QUERY, "body": "form", "answer": {"get": 200}},
}
