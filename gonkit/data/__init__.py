"""Signal types and their data: what a user extends."""

from __future__ import annotations

from gonkit.data.components import Display, Measures, Metric
from gonkit.data.dataset import (
    DataFile,
    DatasetInfo,
    InMemoryDataset,
    Pair,
    SignalDataset,
    SubsetDataset,
    evenly_spaced,
)
from gonkit.data.duplicates import duplicate_files, duplicate_note
from gonkit.data.files import BufferedWriter, SignalFiles, SignalReader, SignalWriter
from gonkit.data.folder import (
    FileVersions,
    file_versions,
    files_below,
    files_in,
    folder_classes,
    folder_split,
    ignored_files,
    visible_files,
)
from gonkit.data.grid import Grid
from gonkit.data.masks import ObservationMask, random_mask
from gonkit.data.record import (
    DATA_FILE,
    DataRecord,
    FileRecord,
    SplitRecord,
    file_digest,
    list_some,
    read_split,
)
from gonkit.data.settings import IsPath, Settings
from gonkit.data.signal import DecodeFn, DefaultLosses, Signal, Task
from gonkit.data.splits import Split, report_skipped_files, split_by_name, split_indices, window_starts
from gonkit.data.streaming import HDF5Rows, StreamingDataset
from gonkit.data.validation import SignalField, explain_validation_error

__all__ = [
    "DATA_FILE",
    "BufferedWriter",
    "DataFile",
    "DataRecord",
    "DatasetInfo",
    "DecodeFn",
    "DefaultLosses",
    "Display",
    "FileRecord",
    "FileVersions",
    "Grid",
    "HDF5Rows",
    "InMemoryDataset",
    "IsPath",
    "Measures",
    "Metric",
    "ObservationMask",
    "Pair",
    "Settings",
    "Signal",
    "SignalDataset",
    "SignalField",
    "SignalFiles",
    "SignalReader",
    "SignalWriter",
    "Split",
    "SplitRecord",
    "StreamingDataset",
    "SubsetDataset",
    "Task",
    "duplicate_files",
    "duplicate_note",
    "evenly_spaced",
    "explain_validation_error",
    "file_digest",
    "file_versions",
    "files_below",
    "files_in",
    "folder_classes",
    "folder_split",
    "ignored_files",
    "list_some",
    "random_mask",
    "read_split",
    "report_skipped_files",
    "split_by_name",
    "split_indices",
    "visible_files",
    "window_starts",
]
