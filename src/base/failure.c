/* Failures in words. Must never lose the number when memory for the words is short. */
#include "base/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"

int failure_set(Failure *f, int result, int number, const char *format, ...)
{
    va_list arguments;
    char *text;

    if (!f)
        return result;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    failure_done(f); /* last: an argument may be its own old text */
    *f = (Failure){.number = number, .text = text};
    return result;
}

_printf_(4, 0) static int set_call(
    Failure *f, int result, int number, const char *format, va_list arguments)
{
    char *words, *text;

    if (vasprintf(&words, format, arguments) < 0)
        words = NULL;
    if (!words || asprintf(&text, "%s: %s", words, strerrordesc_np(-result) ?: "unknown error") < 0)
        text = NULL;
    free(words);
    failure_done(f);
    *f = (Failure){.number = number, .text = text};
    return result;
}

int failure_set_errno(Failure *f, int result, const char *format, ...)
{
    va_list arguments;

    if (!f)
        return result;
    va_start(arguments, format);
    (void)set_call(f, result, error_from_errno(result), format, arguments);
    va_end(arguments);
    return result;
}

int failure_set_socket(Failure *f, int result, const char *format, ...)
{
    va_list arguments;

    if (!f)
        return result;
    va_start(arguments, format);
    (void)set_call(f, result, error_from_socket(result), format, arguments);
    va_end(arguments);
    return result;
}

int failure_prefix(Failure *f, int result, const char *what)
{
    return f ? failure_set(f, result, f->number, "%s: %s", what, failure_text(f)) : result;
}

int failure_reason(Failure *f, FaultReason reason, int result)
{
    if (f)
        f->reason = reason;
    return result;
}

const char *failure_text(const Failure *f)
{
    return f->text ?: "no memory is left to say what failed; free some and try again";
}

void failure_done(Failure *f)
{
    free(f->text);
    *f = (Failure){0};
}
