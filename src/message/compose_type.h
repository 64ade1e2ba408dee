/* What a file is, by its name. Inside the layer only. */
#pragma once

/* "application/octet-stream" where the ending says nothing. */
const char *content_type_of(const char *name);
