"""Messages to people, by e-mail (``smtp``) and into a chat (``chat``): sinks that carry notices and nothing else."""

from __future__ import annotations

from gateway.hookspecs import RegisterConnection, RegisterSink, hookimpl
from gateway_notify.chat import ChatSink
from gateway_notify.mail import MailAccount, MailSink
from gateway_notify.settings import ChatSettings, MailSettings

__all__ = ["ChatSettings", "ChatSink", "MailAccount", "MailSettings", "MailSink"]


@hookimpl
def register_sinks(register: RegisterSink) -> None:
    register("smtp", MailSink, MailSettings)
    register("chat", ChatSink, ChatSettings)


@hookimpl
def register_connections(register: RegisterConnection) -> None:
    register("smtp", MailAccount)
