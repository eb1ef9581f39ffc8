"""The one message that confirms an opt-out, in the language of its writer.

47 CFR 64.1200(a)(12) allows one, within five minutes, without marketing in it. Twilio answers its own keywords on SMS,
so those are not answered twice.
"""

from datetime import timedelta

from event_stream_engine.messaging.model.replies.text import normalize

WITHIN = timedelta(minutes=5)

TWILIO_ANSWERS = frozenset({"stop", "stopall", "unsubscribe", "end", "quit", "cancel", "revoke", "optout"})
"""Keywords that Twilio answers itself on SMS, whole and without punctuation: https://help.twilio.com/articles/223134027"""

_TEXTS = {
    "en": "You will get no more messages from us. Reply START to get them again.",
    "es": "No recibirá más mensajes nuestros. Responda START para volver a recibirlos.",
    "pt": "Você não receberá mais mensagens nossas. Responda START para voltar a recebê-las.",
    "fr": "Vous ne recevrez plus de messages de notre part. Répondez START pour les recevoir à nouveau.",
    "de": "Sie erhalten keine Nachrichten mehr von uns. Antworten Sie START, um sie wieder zu erhalten.",
    "it": "Non riceverà più messaggi da noi. Risponda START per riceverli di nuovo.",
    "nl": "U ontvangt geen berichten meer van ons. Antwoord START om ze weer te ontvangen.",
    "pl": "Nie otrzymasz od nas więcej wiadomości. Odpisz START, aby znów je otrzymywać.",
    "tr": "Bizden artık mesaj almayacaksınız. Yeniden almak için START yazın.",
    "ar": "لن تصلك رسائل منا بعد الآن. أرسل START لاستلامها مجددًا.",
    "zh": "您将不再收到我们的消息。回复 START 可重新接收。",
    "ja": "今後メッセージは送信されません。再開するには START と返信してください。",
}


def confirmation_text(locale: str | None, keyword_language: str | None) -> str:
    """In the language of the contact, else of the keyword, else in English. `locale`: `pt_BR`, `pt-BR` or `pt`."""
    spoken = locale[:2].lower() if locale else None
    for language in (spoken, keyword_language):
        if language in _TEXTS:
            return _TEXTS[language]
    return _TEXTS["en"]


def is_answered_by_twilio(body: str, channel: str, *, is_provider_verdict: bool) -> bool:
    """Whether Twilio confirms this opt-out itself: its own verdict (Advanced Opt-Out), or its own keyword on SMS."""
    return is_provider_verdict or (channel == "sms" and normalize(body) in TWILIO_ANSWERS)
