"""Signal types and their data: what a user extends."""

from __future__ import annotations

from gonkit.data.components import Display, Measures, Metric
from gonkit.data.contract import check_contract, read_dataset
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
    folder_split,
    ignored_files,
    visible_files,
)
from gonkit.data.grid import Grid, Resolution
from gonkit.data.labels import LabeledFolder, LabelRule, check_label_rule
from gonkit.data.masks import ObservationMask, nan_mask, observed_mask, random_mask
from gonkit.data.record import (
    DATA_FILE,
    DataRecord,
    FileRecord,
    SplitRecord,
    file_digest,
    read_split,
)
from gonkit.data.settings import FOREIGN, IsPath, OwnRecipesOnly, Settings, may_read_data
from gonkit.data.signal import DecodeFn, DefaultLosses, Sections, Signal, Task
from gonkit.data.splits import Split, report_skipped_files, split_by_name, split_indices, window_starts
from gonkit.data.streaming import HDF5Rows, StreamingDataset
from gonkit.data.validation import SignalField, explain_validation_error

__all__ = [
    "DATA_FILE",
    "FOREIGN",
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
    "LabelRule",
    "LabeledFolder",
    "Measures",
    "Metric",
    "ObservationMask",
    "OwnRecipesOnly",
    "Pair",
    "Resolution",
    "Sections",
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
    "check_contract",
    "check_label_rule",
    "duplicate_files",
    "duplicate_note",
    "evenly_spaced",
    "explain_validation_error",
    "file_digest",
    "file_versions",
    "files_below",
    "files_in",
    "folder_split",
    "ignored_files",
    "may_read_data",
    "nan_mask",
    "observed_mask",
    "random_mask",
    "read_dataset",
    "read_split",
    "report_skipped_files",
    "split_by_name",
    "split_indices",
    "visible_files",
    "window_starts",
]
