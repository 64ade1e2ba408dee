/* One opened directory. Must never be freed while a message is held that came from it. */
#include "queue/attachment.h"

void attachment_free(Attachment *a)
{
    if (!a)
        return;
    watch_free(a->watch);
    names_done(&a->names);
    caution_done(&a->caution);
    presence_free(a->presence);
    spool_free(a->spool);
    free(a);
}

void attachment_expect(Attachment *a, const char *id, SpoolState state)
{
    char name[SPOOL_NAME_MAX];

    if (a->watch && spool_name_format(id, state, name))
        watch_expect(a->watch, name);
}

void attachment_put(Attachment *a, const char *id, NameKind kind, usec_t due)
{
    if (a->draining)
        return;
    names_put(&a->names, id, kind, due);
    a->handlers->arm(a->user);
}

void attachment_ended(const Attachment *a)
{
    if (!a->draining)
        a->handlers->ended(a->user);
}

void attachment_release(Attachment *a)
{
    a->held--;
    caution_passed(&a->caution);
    if (a->draining && a->held == 0)
        attachment_free(a);
    else if (a->caution.on && !a->draining)
        a->handlers->arm(a->user); /* there is room for another */
}

unsigned attachment_room(const Attachment *a)
{
    return caution_room(&a->caution, a->held);
}

void attachment_suspect(Attachment *a)
{
    if (!a->draining)
        a->handlers->suspect(a->user);
}

void attachment_drain(Attachment *a)
{
    a->draining = true;
    watch_free(TAKE_PTR(a->watch));
    names_done(&a->names);
    if (a->held == 0)
        attachment_free(a);
}
