using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Atoll.Prediction.OpenInference;

/// <summary>A part of a client's file in shared memory. The file stays the client's, who may make it shorter at any time: that is looked at whenever it is used.</summary>
internal sealed partial class SharedMemoryRegion : IDisposable
{
    private const string Folder = "/dev/shm/";

    private readonly SafeFileHandle _file;

    private SharedMemoryRegion(SafeFileHandle file, string name, string key, ulong offset, ulong byteSize) => (_file, Name, Key, Offset, ByteSize) = (file, name, key, offset, byteSize);

    public string Name { get; }

    public string Key { get; }

    public ulong Offset { get; }

    public ulong ByteSize { get; }

    /// <summary>Opens a file that is there and long enough; otherwise says why it cannot be used. No link is followed, and it must be a plain file of one name.</summary>
    /// <param name="file">A name without a path, which was checked.</param>
    public static (SharedMemoryRegion? Region, string? Why) Open(string name, string file, ulong offset, ulong byteSize)
    {
        // O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC.
        var flags = 0x2 | 0x800 | 0x80000 | (RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000);
        var descriptor = open(Folder + file, flags);
        if (descriptor < 0) return (null, $"Unable to open shared memory region: '/{file}': {Marshal.GetLastPInvokeErrorMessage()}");
        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (!IsPlain(handle))
        {
            handle.Dispose();
            return (null, $"'/{file}' is not a plain file of one name");
        }
        var length = (ulong)RandomAccess.GetLength(handle);
        if (offset > length || byteSize > length - offset)
        {
            handle.Dispose();
            return (null, $"'/{file}' has {length} bytes, fewer than 'offset' and 'byte_size' together");
        }
        return (new SharedMemoryRegion(handle, name, "/" + file, offset, byteSize), null);
    }

    /// <summary>Whether a part lies within the region.</summary>
    public bool Holds(ulong offset, ulong byteSize) => offset <= ByteSize && byteSize <= ByteSize - offset;

    /// <summary>Fills a buffer; false when the file has become too short, or the region is gone.</summary>
    /// <param name="offset">Within the region, which holds all of it.</param>
    public bool TryRead(ulong offset, Span<byte> into)
    {
        try
        {
            var at = (long)(Offset + offset);
            while (into.Length > 0)
            {
                var read = RandomAccess.Read(_file, into, at);
                if (read == 0) return false;
                at += read;
                into = into[read..];
            }
            return true;
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>Writes bytes; false when the file has become too short, or the region is gone.</summary>
    /// <inheritdoc cref="TryRead"/>
    public bool TryWrite(ulong offset, ReadOnlySpan<byte> bytes)
    {
        try
        {
            // A write beyond its end would make the file longer, at the cost of everybody's memory.
            var at = (long)(Offset + offset);
            if (RandomAccess.GetLength(_file) - bytes.Length < at) return false;
            RandomAccess.Write(_file, bytes, at);
            return true;
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            // Full shared memory among others: parts of a file take none before they are written.
            return false;
        }
    }

    public void Dispose() => _file.Dispose();

    // A second name would be a way to another tenant's file.
    private static unsafe bool IsPlain(SafeFileHandle handle)
    {
        const int EmptyPath = 0x1000, TypeAndLinks = 0x5, KindMask = 0xF000, Plain = 0x8000;
        Span<byte> status = stackalloc byte[256];
        fixed (byte* into = status)
            if (statx(handle, "", EmptyPath, TypeAndLinks, into) != 0) return false;

        // struct statx is the same on every processor: stx_nlink at 16, stx_mode at 28.
        return BitConverter.ToUInt32(status[16..]) == 1 && (BitConverter.ToUInt16(status[28..]) & KindMask) == Plain;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int statx(SafeFileHandle folder, string path, int flags, uint mask, byte* status);
}
