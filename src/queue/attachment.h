/* One queue directory that was opened: what is known of it, and who still needs it. The path may
 * come to lead to another one; then this one drains: nothing is taken from it any more, and it
 * lives until the last message that is held has been settled over the descriptor that is still
 * open.
 *
 * Inside the layer only. */
#pragma once

#include "queue/caution.h"
#include "queue/names.h"
#include "queue/notices.h"
#include "queue/source.h"
#include "queue/watch.h"
#include "spool/presence.h"

/* Whose it is. */
typedef struct AttachmentHandlers {
    void (*arm)(void *user);     /* what comes up next may have changed */
    void (*ended)(void *user);   /* a message's file was removed or renamed */
    void (*suspect)(void *user); /* a file is `.sending` and nobody's: to be looked for */
} AttachmentHandlers;

typedef struct Attachment {
    const AttachmentHandlers *handlers;
    void *user;
    Source *source;   /* of the messages that are held */
    Notices *notices; /* the directory's */
    Spool *spool;
    Watch *watch;       /* NULL while nobody watches, and while draining */
    Presence *presence; /* NULL: nothing has been said in it */
    Names names;
    Caution caution;
    bool draining;
    unsigned held; /* messages and claims that refer to it */
} Attachment;

/* This process has just given the file that name: the event that comes of it is no news. */
void attachment_expect(Attachment *attachment, const char *id, SpoolState state);

/* A name that this process has made, or knows to be there. */
void attachment_put(Attachment *attachment, const char *id, NameKind kind, usec_t due);

/* A message's file was removed, or renamed for good. */
void attachment_ended(const Attachment *attachment);

/* A claim of its is no more. Frees it with the last one when it drains. */
void attachment_release(Attachment *attachment);

/* A file of its is `.sending` and nobody's: looked for after a while. */
void attachment_suspect(Attachment *attachment);

/* Nothing is taken from it any more; it goes with the last message that is held. */
void attachment_drain(Attachment *attachment);

/* How many more messages may be held at present. */
unsigned attachment_room(const Attachment *attachment);

/* At once: none is held. Accepts NULL. */
void attachment_free(Attachment *attachment);

DEFINE_CLEANUP(Attachment, attachment_free);
