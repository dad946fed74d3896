"""Which disks there are, what they are used for, and which of them kgpt flash refuses, on machines made of files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fake_disks import GB, SATA, USB, FakeMachine, laptop
from refusals import refused

from kgpt_build.errors import KgptError
from kgpt_build.flash import target as flash_target
from kgpt_build.flash.devices import Devices
from kgpt_build.flash.usage import Usage

IMAGE = 20 << 20


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "kgpt.img"
    path.write_bytes(b"image")
    return path


def refusal(machine: FakeMachine, device: str, image: Path, *, force: bool = False, size: int = IMAGE) -> str:
    """The message and the hint, or "" if the device is accepted."""
    devices = machine.devices()
    try:
        target = flash_target.target_at(Path(device), devices)
        flash_target.check(target, devices, machine.usage(), image, size, force=force)
    except KgptError as error:
        found = error
    else:
        return ""
    assert "\n" not in found.message
    assert found.exit_code == 1
    return f"{found.message} | {found.hint}"


def test_a_stick_is_described_and_accepted(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    assert refusal(machine, "/dev/sdb", image) == ""
    stick = machine.devices().device("sdb")
    assert (stick.model, stick.serial, stick.bus, stick.removable, stick.size) == (
        "SanDisk Ultra",
        "4C530001",
        "usb",
        True,
        16 * GB,
    )
    assert [(part.name, part.start, part.size) for part in stick.parts] == [("sdb1", 1 << 20, GB)]
    assert (stick.sector, stick.read_only, stick.is_stick) == (512, False, True)


def test_disks_are_listed_without_what_is_made_of_them(tmp_path: Path) -> None:
    machine = laptop(tmp_path)
    machine.virtual("dm-0", ["sda3"])
    machine.virtual("loop0", [], {"loop/backing_file": "/a.img"})
    machine.disk("sr0", "pci0000:00/ata2/host1/target1:0:0/1:0:0:0", removable=True)
    machine.disk("sdc", f"{USB}/reader", 0, removable=True)
    machine.disk("nvme0n1", "virtual/nvme-subsystem/nvme-subsys0")
    machine.disk("mmcblk0", "platform/mmc_host/mmc0/mmc0:0001")
    machine.disk("mmcblk0boot0", "platform/mmc_host/mmc0/mmc0:0002")
    found = {disk.name: disk.bus for disk in machine.devices().disks()}
    assert found == {"sda": "sata", "sdb": "usb", "nvme0n1": "nvme", "mmcblk0": "mmc"}


@pytest.mark.parametrize(
    ("name", "folder", "files", "expected"),
    [
        (
            "sda",
            SATA,
            {"device/vendor": "ATA", "device/model": "SSD", "device/vpd_pg80": b"\0\x80\0\x08  S123 "},
            "S123",
        ),
        ("nvme0n1", "pci0000:00/0000:01:00.0/nvme/nvme0", {"device/serial": "N1 \n", "device/model": "SSD"}, "N1"),
        ("mmcblk0", "platform/mmc_host/mmc0/mmc0:1", {"device/serial": "0x12", "device/name": "SSD"}, "0x12"),
        ("vda", "pci0000:00/virtio1", {"serial": "disk1", "device/vendor": "0x1af4"}, "disk1"),
    ],
)
def test_serial_numbers_are_where_each_bus_has_them(
    name: str, folder: str, files: dict[str, str | bytes], expected: str, tmp_path: Path
) -> None:
    machine = FakeMachine(tmp_path)
    machine.disk(name, folder, files=files)
    device = machine.devices().device(name)
    assert device.serial == expected
    assert device.model == ("" if name == "vda" else "SSD")


def test_a_card_in_a_reader_of_its_own_is_a_stick_though_linux_does_not_call_it_removable(
    tmp_path: Path, image: Path
) -> None:
    machine = laptop(tmp_path)
    machine.disk("mmcblk0", "pci/mmc_host/mmc0/mmc0:1", files={"device/type": "SD\n", "device/name": "SC32G"})
    machine.disk("mmcblk1", "pci/mmc_host/mmc1/mmc1:1", files={"device/type": "MMC\n", "device/name": "eMMC"})
    assert refusal(machine, "/dev/mmcblk0", image) == ""
    assert "not a removable USB disk, nor a card (mmc eMMC)" in refusal(machine, "/dev/mmcblk1", image)


def test_what_a_stick_says_of_itself_cannot_reach_the_terminal(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path)
    machine.stick(serial="12\x1b[2J\r34")
    (machine.devices().root / "sys/class/block/sdb/device/model").write_text("Ultra\x1b]0;x\x07\n\x9b")
    stick = machine.devices().device("sdb")
    assert stick.serial == "12 [2J 34"
    assert stick.model == "SanDisk Ultra ]0;x"


def test_the_disk_of_the_system_is_refused_even_with_force(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    for force in (False, True):
        assert "/dev/sda is the disk that this system runs from: /dev/sda1 is mounted at /boot/efi" in refusal(
            machine, "/dev/sda", image, force=force
        )


@pytest.mark.parametrize("folder", ["/", "/boot", "/usr", "/home", "/var", "/boot/efi", "/nix"])
def test_a_system_on_a_stick_is_a_system(folder: str, tmp_path: Path, image: Path) -> None:
    machine = FakeMachine(tmp_path / "root")
    machine.stick("sdb")
    machine.mount(folder, machine.part("sdb", 1), "/dev/sdb1")
    assert "the disk that this system runs from" in refusal(machine, "/dev/sdb", image, force=True)


def test_swap_is_of_the_system(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    machine.swaps.append("/dev/sdb1")
    assert "this system runs from: /dev/sdb1 is swap space" in refusal(machine, "/dev/sdb", image, force=True)


def test_a_root_on_lvm_on_luks_on_raid_is_found_on_both_disks(tmp_path: Path, image: Path) -> None:
    machine = FakeMachine(tmp_path / "root")
    for name in ("sda", "sdb"):
        machine.stick(name, port=f"usb1/{name}")
        machine.part(name, 1)
    machine.virtual("md0", ["sda1", "sdb1"], {"md/level": "raid1"})
    machine.virtual("dm-0", ["md0"], {"dm/name": "crypt", "dm/uuid": "CRYPT-LUKS2-1"})
    number = machine.virtual("dm-1", ["dm-0"], {"dm/name": "vg-root", "dm/uuid": "LVM-1"})
    machine.mount("/", number, "/dev/mapper/vg-root")
    for name in ("sda", "sdb"):
        text = refusal(machine, f"/dev/{name}", image, force=True)
        assert (
            f"/dev/{name} is the disk that this system runs from: /dev/dm-1, which lies on it, is mounted at /" in text
        )


def test_a_root_of_btrfs_is_found_on_every_disk_of_it(tmp_path: Path, image: Path) -> None:
    machine = FakeMachine(tmp_path / "root")
    machine.stick("sda", port="usb1/a")
    machine.stick("sdb", port="usb1/b")
    members = tmp_path / "root/sys/fs/btrfs/5e0c/devices"
    members.mkdir(parents=True)
    for name in ("sda", "sdb"):
        (members / name).symlink_to(tmp_path / "root/sys/class/block" / name)
    machine.mount("/", "0:25", "/dev/sda", "btrfs")
    for name in ("sda", "sdb"):
        assert "this system runs from" in refusal(machine, f"/dev/{name}", image, force=True)


def test_a_live_system_is_found_below_its_loop_device(tmp_path: Path, image: Path) -> None:
    machine = FakeMachine(tmp_path / "root")
    machine.stick("sdb")
    part = machine.part("sdb", 1)
    machine.mount("/run/live/medium", part, "/dev/sdb1", "iso9660")
    machine.numbers["/run/live/medium/"] = part
    loop = machine.virtual("loop0", [], {"loop/backing_file": "/run/live/medium/live/filesystem.squashfs"})
    machine.mount("/", loop, "/dev/loop0", "squashfs")
    assert "/dev/sdb is the disk that this system runs from: /dev/loop0, which lies on it, is mounted at /" in refusal(
        machine, "/dev/sdb", image, force=True
    )


def test_a_mounted_stick_is_refused_with_the_command_that_unmounts_it(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    machine.mount("/media/me/MY STICK", "8:33", "/dev/sdb1", "vfat")
    text = refusal(machine, "/dev/sdb", image, force=True)
    assert text == (
        "/dev/sdb is in use: /dev/sdb1 is mounted at /media/me/MY STICK | "
        "if you are done with it: sudo umount '/media/me/MY STICK'"
    )


def test_a_mount_that_only_the_first_process_sees_counts(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    (tmp_path / "root/proc/1").mkdir(parents=True)
    (tmp_path / "root/proc/1/mountinfo").write_text("40 1 8:33 / /mnt/a rw - vfat /dev/sdb1 rw\n")
    assert "is mounted at /mnt/a" in refusal(machine, "/dev/sdb", image)


def test_a_mount_with_two_paths_is_unmounted_once(tmp_path: Path, image: Path) -> None:
    """In a chroot the first process has another root directory, and so another path for the same mount."""
    machine = laptop(tmp_path / "root")
    machine.mount("/mnt/a", "8:33", "/dev/sdb1", "vfat")
    machine.devices()
    line = machine.mounts[-1]
    (tmp_path / "root/proc/1").mkdir(parents=True)
    (tmp_path / "root/proc/1/mountinfo").write_text(line.replace("/mnt/a", "/new/mnt/a") + "\n")
    assert refusal(machine, "/dev/sdb", image).endswith("if you are done with it: sudo umount /mnt/a")


@pytest.mark.parametrize(
    ("files", "words", "undo"),
    [
        ({"dm/name": "vg-data", "dm/uuid": "LVM-x"}, "holds the LVM volume vg-data", "sudo dmsetup remove vg-data"),
        ({"dm/name": "c1", "dm/uuid": "CRYPT-x"}, "holds the open encrypted volume c1", "sudo cryptsetup close c1"),
        ({"dm/name": "mp", "dm/uuid": "mpath-x"}, "is used by the device mapper for mp", "sudo dmsetup remove mp"),
        ({"md/level": "raid1"}, "is part of the RAID array up0", "sudo mdadm --stop /dev/up0"),
        ({"bcache/state": "clean"}, "is used by up0", "stop what uses it"),
    ],
)
def test_members_are_refused_by_what_holds_them(
    files: dict[str, str], words: str, undo: str, tmp_path: Path, image: Path
) -> None:
    machine = laptop(tmp_path / "root")
    machine.virtual("up0", ["sdb1"], files)
    text = refusal(machine, "/dev/sdb", image, force=True)
    assert f"/dev/sdb1 {words}" in text
    assert undo in text


def test_what_is_mounted_on_top_is_undone_first(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    number = machine.virtual("dm-0", ["sdb1"], {"dm/name": "c1", "dm/uuid": "CRYPT-x"})
    machine.mount("/mnt/a", number, "/dev/mapper/c1")
    machine.mount("/mnt/a/inner", number, "/dev/mapper/c1")
    assert refusal(machine, "/dev/sdb", image).endswith(
        "sudo umount /mnt/a/inner && sudo umount /mnt/a && sudo cryptsetup close c1"
    )


def test_the_disk_that_holds_the_image_is_refused(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    machine.numbers[f"{image.parent}/"] = "8:33"
    assert f"{image} lies on /dev/sdb itself" in refusal(machine, "/dev/sdb", image, force=True)


def test_the_disk_that_holds_the_image_is_found_by_its_mount_where_files_have_another_number(
    tmp_path: Path, image: Path
) -> None:
    machine = laptop(tmp_path / "root")
    machine.numbers[f"{image.parent}/"] = "0:77"
    machine.mount(str(image.parent.resolve()), "0:70", "/dev/sdb1", "btrfs")
    assert f"{image} lies on /dev/sdb itself" in refusal(machine, "/dev/sdb", image, force=True)


def test_a_partition_is_refused_and_its_disk_named(tmp_path: Path, image: Path) -> None:
    text = refusal(laptop(tmp_path / "root"), "/dev/sdb1", image, force=True)
    assert text == "/dev/sdb1 is a partition of /dev/sdb | name the whole disk: /dev/sdb"


def test_size_has_to_fit_exactly(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    assert refusal(machine, "/dev/sdb", image, size=16 * GB) == ""
    assert "/dev/sdb is too small: it has 16,000,000,000 bytes, and the image 16,000,000,001" in refusal(
        machine, "/dev/sdb", image, size=16 * GB + 1, force=True
    )


def test_a_read_only_device_is_refused(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    (tmp_path / "root/sys/class/block/sdb/ro").write_text("1\n")
    assert "/dev/sdb is read-only" in refusal(machine, "/dev/sdb", image, force=True)


def test_an_empty_reader_is_refused(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    machine.disk("sdc", f"{USB}/reader", 0, removable=True)
    assert "/dev/sdc has no medium in it" in refusal(machine, "/dev/sdc", image, force=True)


@pytest.mark.parametrize("removable", [False, True])
def test_a_disk_inside_the_box_takes_force(removable: bool, tmp_path: Path, image: Path) -> None:
    """SATA ports that can be plugged while running are removable to Linux, wherever they are."""
    machine = laptop(tmp_path / "root")
    machine.disk("sdc", "pci0000:00/ata3/host2/target2:0:0/2:0:0:0", removable=removable)
    assert "/dev/sdc is not a removable USB disk, nor a card (sata)" in refusal(machine, "/dev/sdc", image)
    assert refusal(machine, "/dev/sdc", image, force=True) == ""


def test_a_usb_disk_that_is_not_removable_takes_force(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    (tmp_path / "root/sys/class/block/sdb/removable").write_text("0\n")
    assert "not a removable USB disk, nor a card (usb SanDisk Ultra)" in refusal(machine, "/dev/sdb", image)
    assert refusal(machine, "/dev/sdb", image, force=True) == ""


def test_what_is_no_device(tmp_path: Path, image: Path) -> None:
    machine = laptop(tmp_path / "root")
    other = tmp_path / "disk.img"
    other.write_bytes(bytes(100))
    assert "did you mean /dev/sdb?" in refusal(machine, "sdb", image)
    assert "No such file or directory | is it plugged in?" in refusal(machine, "/dev/sdz", image)
    assert f"{tmp_path} is a folder" in refusal(machine, str(tmp_path), image, force=True)
    assert "/dev/null is no block device" in refusal(machine, "/dev/null", image, force=True)
    assert "is a file, not a device" in refusal(machine, str(other), image, size=100)
    assert refusal(machine, str(other), image, size=100, force=True) == ""
    assert "is too small" in refusal(machine, str(other), image, size=101, force=True)
    assert "is the image itself" in refusal(machine, str(image), image, size=1, force=True)


def test_without_mountinfo_nothing_is_written(tmp_path: Path) -> None:
    machine = laptop(tmp_path)
    machine.devices()
    (tmp_path / "proc/self/mountinfo").unlink()
    with refused(KgptError, "mountinfo No such file"):
        Usage(Devices(tmp_path))


def test_where_there_is_no_sys_it_says_so(tmp_path: Path) -> None:
    with refused(KgptError, "sys/class/block") as raised:
        list(Devices(tmp_path).disks())
    assert "docs/hardware.md" in raised.value.hint


def random_machine(root: Path, chance: random.Random) -> tuple[FakeMachine, set[str], list[str]]:
    """A machine, the disks that its root lies on, as it was built and not as /sys says, and all disks."""
    machine = FakeMachine(root)
    on: dict[str, set[str]] = {}
    numbers: dict[str, str] = {}
    disks = []
    for index in range(chance.randint(1, 5)):
        name = f"sd{chr(97 + index)}"
        numbers[name] = (
            machine.stick(name, port=f"usb{index + 1}/{index}")
            if chance.random() < 0.6
            else machine.disk(name, f"pci/ata{index}/x", removable=chance.random() < 0.5)
        )
        on[name] = {name}
        disks.append(name)
        for part in range(chance.randint(0, 3)):
            number = machine.part(name, part + 1)
            numbers[f"{name}{part + 1}"], on[f"{name}{part + 1}"] = number, {name}
    for index in range(chance.randint(0, 6)):
        below = chance.sample(sorted(on), min(len(on), chance.randint(1, 3)))
        name, files = chance.choice(
            [
                (f"dm-{index}", {"dm/name": f"v{index}", "dm/uuid": chance.choice(["LVM-1", "CRYPT-1", "other", ""])}),
                (f"md{index}", {"md/level": "raid5"}),
                (f"bcache{index}", {}),
                (f"loop{index}", {"loop/backing_file": f"/f{index}/a b"}),
            ]
        )
        if name.startswith("loop"):
            machine.numbers[f"/f{index}/"] = numbers[below[0]]
            below = below[:1]
            numbers[name] = machine.virtual(name, [], files)
        else:
            numbers[name] = machine.virtual(name, below, files)
        on[name] = set().union(*(on[lower] for lower in below))
    root_on = chance.choice(sorted(on))
    by_number = chance.random() < 0.7
    machine.mount("/", numbers[root_on] if by_number else "0:99", f"/dev/{root_on}" if not by_number else "/dev/root")
    for _ in range(chance.randint(0, 3)):
        other = chance.choice(sorted(on))
        machine.mount(chance.choice(["/mnt", "/media/x y", "/home"]), numbers[other], f"/dev/{other}")
    chance.shuffle(machine.mounts)
    return machine, on[root_on], disks


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_no_tree_of_devices_hides_the_disk_of_the_system(first: int, tmp_path: Path, image: Path) -> None:
    """Random machines; some of their disks are accepted, as a test that only saw refusals would say nothing."""
    accepted = 0
    for seed in range(first, first + 20):
        machine, system, disks = random_machine(tmp_path / str(seed), random.Random(seed))
        for name in disks:
            text = refusal(machine, f"/dev/{name}", image, force=True)
            accepted += not text
            if name in system:
                assert "the disk that this system runs from" in text, (seed, name, machine.mounts)
            elif text:
                assert "is in use" in text or "/home" in text, (seed, name, text)
    assert accepted
