#!/bin/sh
# Unpacks the pinned wheels of requirements.txt into ./python, whatever version of Python is here: nothing of them is run by it.
# Then installs those of requirements-schemathesis.txt into ./schemathesis, for the Python that is here: it runs them.
cd "$(dirname "$0")" || exit 1
rm -rf python schemathesis
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target python --no-deps --only-binary=:all: \
  --python-version 3.11 --implementation cp --platform manylinux_2_27_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux_2_34_x86_64 \
  --requirement requirements.txt || exit 1
exec python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target schemathesis --no-deps --only-binary=:all: \
  --requirement requirements-schemathesis.txt
