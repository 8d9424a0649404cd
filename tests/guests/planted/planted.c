// SPDX-License-Identifier: GPL-2.0
// A driver with a bug, to be found by going back: a label that is longer than its place runs over the pointer behind it, and
// some time later a timer that follows the pointer brings the kernel down.
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/timer.h>

struct box {
	char label[12];
	int *counter;
};

static struct box *box;
static int count;
static struct timer_list timer;

static __attribute__((noipa)) void relabel(struct box *b, const char *text)
{
	char *to = b->label;

	while ((*to++ = *text++))
		barrier();
}

static __attribute__((noipa)) void count_tick(struct box *b)
{
	++*b->counter;
}

static void tick(struct timer_list *t)
{
	static const char *const labels[] = { "first", "second", "third", "fourth", "a rather long one" };

	count_tick(box);
	relabel(box, labels[count % ARRAY_SIZE(labels)]);
	mod_timer(&timer, jiffies + 2);
}

static int __init planted_init(void)
{
	box = kzalloc(sizeof(*box) + 32, GFP_KERNEL);
	if (!box)
		return -ENOMEM;
	box->counter = &count;
	timer_setup(&timer, tick, 0);
	mod_timer(&timer, jiffies + 10 * HZ);	/* what loads it says where everything is, first */
	return 0;
}
module_init(planted_init);
MODULE_LICENSE("GPL");
