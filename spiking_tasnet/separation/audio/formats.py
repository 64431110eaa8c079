"""Files that are no sound files, or that libsndfile cannot read, and what to do about them."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from spiking_tasnet.files import printable

READ = frozenset(
    ".8svx .aif .aifc .aiff .au .avr .bwf .caf .flac .htk .iff .ircam .mp2 .mp3 .mpga .nist .oga .ogg .opus .paf .pvf "
    ".rf64 .sds .sf .snd .sph .svx .voc .w64 .wav .wave .wv1 .wv2 .wve".split()
)
FFMPEG_ONLY = frozenset(
    ".3g2 .3gp .aa .aac .aax .ac3 .adts .amr .ape .asf .avi .dff .dsf .dts .eac3 .f4a .f4v .flv .m2ts .m4a .m4b "
    ".m4r .m4v .mka .mkv .mov .mp4 .mpc .mpeg .mpg .mts .ogm .ogv .qt .ra .ram .rm .spx .tak .tta .vob .webm .weba "
    ".wma .wmv .wv".split()
)
SUFFIXES = READ | FFMPEG_ONLY  # of sound files
HEADERLESS = frozenset(
    ".al .alaw .g721 .g722 .g723 .g726 .g729 .gsm .lin .pcm .raw .s16 .s16le .s24 .s32 .sln .ul .ulaw .vox".split()
)
# (offset, bytes) at which a file of each kind begins.
SIGNATURES = {
    "MP4, M4A or MOV": ((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide")),
    "AAC": ((0, b"\xff\xf1"), (0, b"\xff\xf9"), (0, b"\xff\xf0"), (0, b"\xff\xf8"), (0, b"ADIF")),
    "WMA": ((0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),),
    "WebM or Matroska": ((0, b"\x1a\x45\xdf\xa3"),),
    "AMR": ((0, b"#!AMR"),),
    "AVI": ((8, b"AVI "),),
    "FLV": ((0, b"FLV\x01"),),
    "MPEG video": ((0, b"\x00\x00\x01\xba"), (0, b"\x00\x00\x01\xb3")),
    "AC-3": ((0, b"\x0b\x77"),),
    "DTS": ((0, b"\x7f\xfe\x80\x01"),),
    "WavPack": ((0, b"wvpk"),),
    "Monkey's Audio": ((0, b"MAC "),),
    "True Audio": ((0, b"TTA1"),),
    "Musepack": ((0, b"MPCK"), (0, b"MP+")),
    "RealMedia": ((0, b".RMF"), (0, b".ra\xfd")),
    "DSD": ((0, b"DSD "), (0, b"FRM8")),
}
KINDS = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))


def check_regular(path: Path) -> int:
    """Return the size in bytes of a regular file; pipes and devices, which could block, are refused.

    Raises:
        FileNotFoundError: there is none; a link may lead nowhere.
        ValueError: a folder, a pipe or a device, or it is empty.
        OSError: the system refuses.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, ValueError):  # ValueError: a zero byte in the name
        raise FileNotFoundError(f"{printable(path)}: {_absent(path)}") from None
    except OSError as error:
        raise refused(path, error) from None
    if stat.S_ISREG(status.st_mode) and status.st_size:
        return status.st_size
    shown = printable(path)
    if stat.S_ISREG(status.st_mode):
        raise ValueError(f"{shown}: an empty file found, sound expected; copy it again")
    if stat.S_ISDIR(status.st_mode):
        raise ValueError(f"{shown}: a folder found, a sound file expected; name the files in it")
    kind = next((name for is_kind, name in KINDS if is_kind(status.st_mode)), "something that is no file")
    raise ValueError(f"{shown}: {kind} found, which cannot be read twice; save the sound in a file first")


def _absent(path: Path) -> str:
    if str(path) == "-":
        return "standard input cannot be read twice; save the sound in a file first"
    if os.path.islink(path):
        return f"a link to {printable(os.readlink(path))} found, which is not there; mend it"
    return "no such file; check the path"


def refused(path: Path, error: OSError) -> OSError:
    """The error of a file that the system does not let us read, in one line."""
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, PermissionError):
        advice = "change its permissions"
    elif "too long" in reason or "levels" in reason or "not a directory" in reason:
        advice = "check the path"
    else:
        advice = "copy it to another disk"
    return type(error)(f"{printable(path)}: cannot be read ({reason}); {advice}")


def not_read(path: Path, head: bytes, reason: str) -> ValueError:
    """The error of a file that libsndfile refuses.

    Args:
        path: the file.
        head: its first bytes.
        reason: libsndfile's own words.
    """
    suffix, shown = path.suffix.lower(), printable(path)
    known = next((kind for kind, begins in SIGNATURES.items() if any(_begins(head, *begin) for begin in begins)), None)
    if known is None and suffix in HEADERLESS:
        return ValueError(
            f"{shown}: samples without a header found, whose rate and kind nobody can tell; give it one, e.g. "
            f"{ffmpeg_command(path, '-f s16le -ar 16000 -ac 1 ')}"
        )
    if known or suffix in FFMPEG_ONLY:
        found = f"{known} found" if known else f"cannot be read as audio ({reason})"
        return ValueError(f"{shown}: {found}, WAV, FLAC, MP3, Ogg or the like expected; {ffmpeg_command(path)}")
    if _is_text(head):
        return ValueError(f"{shown}: cannot be read as audio (it is text); a sound file expected")
    if suffix in READ:
        return ValueError(f"{shown}: cannot be read as audio ({reason}); copy it again, or try {ffmpeg_command(path)}")
    return ValueError(f"{shown}: cannot be read as audio ({reason}); if it is some, try {ffmpeg_command(path)}")


def ffmpeg_command(path: Path, options: str = "") -> str:
    """The ffmpeg command that makes a WAV file of `path`, as a shell takes it."""
    target = path.with_suffix(".wav")
    if target == path:
        target = path.with_name(f"{path.stem}-converted.wav")
    return f"ffmpeg {options}-i {_quoted(path)} {_quoted(target)}"


def _quoted(path: Path) -> str:
    text = f"./{path}" if str(path).startswith("-") else str(path)
    if text != printable(text):  # bash writes bytes that are no text like this
        return "$'" + "".join(_escaped(byte) for byte in os.fsencode(text)) + "'"
    return shlex.quote(text) if "'" in text else f"'{text}'"


def _escaped(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 and chr(byte) not in "'\\" else f"\\x{byte:02x}"


def _begins(head: bytes, offset: int, content: bytes) -> bool:
    return head[offset : offset + len(content)] == content


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return bool(text) and all(character.isprintable() or character in "\t\r\n\f" for character in text)
