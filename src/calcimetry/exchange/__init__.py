"""What leaves an examination: its document, tables, label map and output folder."""

from calcimetry.exchange.crops import crop_bytes, saved_crops
from calcimetry.exchange.document import SCHEMA_VERSION, document
from calcimetry.exchange.folder import load
from calcimetry.exchange.labels import label_volume, nifti_bytes, saved_labels
from calcimetry.exchange.landmarks import landmark_bytes, saved_landmarks
from calcimetry.exchange.parse import parse
from calcimetry.exchange.plain import RESEARCH_USE
from calcimetry.exchange.png import PICTURES
from calcimetry.exchange.saved import checked, replace_files, saved_document, saved_pictures
from calcimetry.exchange.tables import DEPOSIT_COLUMNS, OBJECT_COLUMNS, csv_text, parquet_bytes
from calcimetry.exchange.voxels import saved_voxels, voxel_bytes

__all__ = [
    "DEPOSIT_COLUMNS",
    "OBJECT_COLUMNS",
    "PICTURES",
    "RESEARCH_USE",
    "SCHEMA_VERSION",
    "checked",
    "crop_bytes",
    "csv_text",
    "document",
    "label_volume",
    "landmark_bytes",
    "load",
    "nifti_bytes",
    "parquet_bytes",
    "parse",
    "replace_files",
    "saved_crops",
    "saved_document",
    "saved_labels",
    "saved_landmarks",
    "saved_pictures",
    "saved_voxels",
    "voxel_bytes",
]
