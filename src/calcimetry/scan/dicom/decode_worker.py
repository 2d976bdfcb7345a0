"""A process that decodes compressed slices; started by `codecs`, never by hand."""

import sys

from calcimetry.scan.dicom.codecs import serve

if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
