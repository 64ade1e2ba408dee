/* What the files of a message have in common: whose it is, what is wrong with it, and what does not
 * hold any more. */
#include "lib/message_own.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"

#define TEXT_SHOWN_MAX 8192 /* bytes of an error */

bool message_is_here(const OutboxMessage *message)
{
    return message && message->process == getpid();
}

int message_check(OutboxMessage *message)
{
    if (!message)
        return ERROR_USAGE;
    if (!message_is_here(message))
        return message_fail(message, ERROR_IMPOSSIBLE_STATE,
            "this message was made before a fork() and is the parent's; make one in the child");
    if (message->in_use > 0)
        return message_fail(message, ERROR_BUSY, "the message is being sent");
    return 0;
}

int failure_set_printable(Failure *f, int number, const char *format, va_list arguments)
{
    _cleanup_free_
    char *text = NULL, *shown = NULL;

    if (vasprintf(&text, format, arguments) >= 0)
        shown = text_printable(text, strlen(text), TEXT_SHOWN_MAX);
    else
        text = NULL;
    (void)failure_set(f, -EINVAL, number, "%s", shown ?: "no memory is left");
    return number;
}

void failure_show(Failure *f)
{
    char *shown = f->text ? text_printable(f->text, strlen(f->text), TEXT_SHOWN_MAX) : NULL;

    free(f->text);
    f->text = shown;
}

int message_fail(OutboxMessage *message, int number, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)failure_set_printable(&message->failure, number, format, arguments);
    va_end(arguments);
    return number;
}

void recipient_done(OutboxRecipient *recipient)
{
    free((char *)recipient->name);
    free((char *)recipient->address);
    free((char *)recipient->options);
}

static void free_fields(OutboxMessage *message)
{
    for (size_t i = 0; i < message->n_fields; i++) {
        free((char *)message->fields[i].field);
        free((char *)message->fields[i].value);
    }
    free(message->fields);
    message->fields = NULL;
    message->n_fields = 0;
}

static void forget_recipients(OutboxMessage *message)
{
    for (size_t i = 0; i < message->n_all; i++)
        recipient_done(&message->all[i]);
    free(message->all);
    message->all = NULL;
    message->n_all = 0;
}

void message_changed(OutboxMessage *message)
{
    message->composed = false;
    buffer_done(&message->memory);
    buffer_done(&message->header);
    buffer_done(&message->body);
    close_p(&message->scratch_fd);
    free_fields(message);
    forget_recipients(message);
}

/* Whether it has a stream that can give no more. What was made of it is kept until something is
 * changed. */
bool message_was_read(const OutboxMessage *message)
{
    for (size_t i = 0; i < CONTENTS; i++)
        if (message->contents[i].was_read)
            return true;
    return false;
}

void message_clear_recipients(OutboxMessage *message)
{
    static const Property lists[] = {PROPERTY_TO, PROPERTY_CC, PROPERTY_BCC};

    for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
        free(message->properties[lists[i]]);
        message->properties[lists[i]] = NULL;
    }
    for (size_t i = 0; i < message->n_added; i++)
        recipient_done(&message->added[i]);
    free(message->added);
    message->added = NULL;
    message->n_added = 0;
    message_changed(message);
}
