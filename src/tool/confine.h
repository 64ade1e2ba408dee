/* Giving up for good what a process needs no more, before it reads what strangers say. */
#pragma once

/* From now on it can read, write and wait, over the descriptors that it has, and end; nothing else:
 * it opens nothing, connects to nobody, runs nothing and takes no more memory. Where the kernel has
 * no such filter (seccomp) it goes on without. */
void confine_to_descriptors(void);
