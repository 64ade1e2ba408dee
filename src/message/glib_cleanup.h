/* Cleanup of what GLib hands out. Inside the layer only, for the files that use GMime. */
#pragma once

#include <glib-object.h>

#include "base/macros.h"

static inline void gfree_p(void *pointer)
{
    g_free(*(void **)pointer);
}

static inline void gobject_p(void *pointer)
{
    if (*(void **)pointer)
        g_object_unref(*(void **)pointer);
}
