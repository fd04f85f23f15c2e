using System.Runtime.InteropServices;

namespace Atoll.Serving;

/// <summary>Tells how much memory native code has allocated in this process, and gives back what is free, where the system can.</summary>
internal static unsafe partial class NativeHeap
{
    private static readonly nint Libc = OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libc.so.6", out var libc) ? libc : 0;
    private static int _trimming;

    // glibc 2.33 or later. The sum is over all arenas; memory of .NET's collector is not a part of it.
    private static readonly delegate* unmanaged<MallInfo> MallInfo2 = FindMallInfo2();

    /// <summary>Bytes in use, or null where they cannot be read.</summary>
    public static long? AllocatedBytes()
    {
        if (MallInfo2 == null) return null;
        var info = MallInfo2();
        return (long)(info.InUse + info.Mapped);
    }

    /// <summary>Lets every large block be memory of its own, which goes back to the system when it is freed.</summary>
    /// <remarks>
    /// What a run of a model needs for a moment is smaller than that and stays in the heap: as memory of its own it would be made of new pages every time,
    /// which took longer than the run of a small network of convolutions (docs/benchmarks/overhead.md).
    /// </remarks>
    public static void KeepReturnable()
    {
        const int trimThreshold = -1, mmapThreshold = -3;
        if (Libc == 0 || !NativeLibrary.TryGetExport(Libc, "mallopt", out var address)) return;
        var set = (delegate* unmanaged<int, int, int>)address;

        // Unless it is set, glibc raises the one with every large block that is freed, up to 32 MiB, and the other to twice as much.
        set(mmapThreshold, 4 << 20);
        set(trimThreshold, 8 << 20);
    }

    /// <summary>Gives free pages of the heap back to the system. Takes time in proportion to the heap.</summary>
    public static void Trim()
    {
        if (Libc == 0 || !NativeLibrary.TryGetExport(Libc, "malloc_trim", out var address)) return;
        // One is enough; the next one takes what this one missed.
        if (Interlocked.Exchange(ref _trimming, 1) != 0) return;
        ((delegate* unmanaged<nuint, int>)address)(0);
        Volatile.Write(ref _trimming, 0);
    }

    private static delegate* unmanaged<MallInfo> FindMallInfo2()
    {
        return Libc != 0 && NativeLibrary.TryGetExport(Libc, "mallinfo2", out var address) ? (delegate* unmanaged<MallInfo>)address : null;
    }

    /// <summary><c>struct mallinfo2</c>, of which two fields matter here.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct MallInfo
    {
        private readonly nuint _arena, _freeChunks, _fastChunks, _mappedChunks;
        public readonly nuint Mapped;
        private readonly nuint _unused, _fastFree;
        public readonly nuint InUse;
        private readonly nuint _free, _top;
    }
}
