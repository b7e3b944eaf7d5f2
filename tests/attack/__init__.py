# SPDX-License-Identifier: GPL-3.0-or-later
import os

# read when the library is imported; a busy machine is no hub that cannot be reached
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "60")
os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "60")
