#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# First process of the guest with the planted bug: loads the module, says on the second serial port where everything is
# (functions of the kernel and the module's symbols; the module's sections), and waits for the end.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
insmod /planted.ko
stty -F /dev/ttyS1 -opost
{
  grep -e ' [tT] ' -e '\[planted\]' /proc/kallsyms
  for section in .text .rodata .data .bss; do
    [ -e /sys/module/planted/sections/$section ] && echo "section $section $(cat /sys/module/planted/sections/$section)"
  done
} >/dev/ttyS1
echo "GUEST planted"
while :; do sleep 1; done
