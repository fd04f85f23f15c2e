using System.Diagnostics;
using System.Globalization;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Atoll.Benchmarks;

/// <summary>Weights read into memory of their own, as they are served, against weights mapped from their file.</summary>
internal static unsafe class MapWeights
{
    private const int Page = 4096;

    public static bool Run()
    {
        Console.WriteLine("| weights | read and copied, us | compared with SHA-256, us more | mapped, us | first touch, us more | copied: KiB of its own | mapped: KiB of its own | mapped: KiB of the page cache |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        foreach (var (name, bytes, count) in ((string, int, int)[])[("10 KB", 10_000, 2_000), ("1 MB", 1_000_000, 100), ("50 MB", 50_000_000, 4)])
        {
            var folder = Directory.CreateTempSubdirectory("atoll-map-").FullName;
            try
            {
                var content = new byte[bytes];
                new Random(1).NextBytes(content);
                var files = Enumerable.Range(0, count).Select(i => Path.Combine(folder, $"{i}")).ToList();
                foreach (var file in files) File.WriteAllBytes(file, content);
                var copied = Copy(files);
                var hash = Fastest(() => SHA256.HashData(content));
                var mapped = Map(files);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {name} | {copied.Micros:F0} | {hash:F0} | {mapped.Micros:F0} | {mapped.Touch:F0} | {copied.Own:F1} | {mapped.Own:F1} | {mapped.Shared:F1} |"));
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
        return true;
    }

    private static (double Micros, double Own) Copy(List<string> files)
    {
        var blocks = new nint[files.Count];
        var fastest = double.MaxValue;
        var (before, _) = Resident();
        for (var i = 0; i < files.Count; i++)
        {
            var start = Stopwatch.GetTimestamp();
            var bytes = File.ReadAllBytes(files[i]);
            var block = NativeMemory.AlignedAlloc((nuint)bytes.Length, 64);
            bytes.CopyTo(new Span<byte>(block, bytes.Length));
            blocks[i] = (nint)block;
            fastest = Math.Min(fastest, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }
        var (after, _) = Resident();
        foreach (var block in blocks) NativeMemory.AlignedFree((void*)block);
        return (fastest, (after - before) / files.Count);
    }

    private static (double Micros, double Touch, double Own, double Shared) Map(List<string> files)
    {
        var views = new (MemoryMappedFile File, MemoryMappedViewAccessor View)[files.Count];
        var (fastest, touch) = (double.MaxValue, double.MaxValue);
        var (own, shared) = Resident();
        long sum = 0;
        for (var i = 0; i < files.Count; i++)
        {
            var start = Stopwatch.GetTimestamp();
            var file = MemoryMappedFile.CreateFromFile(files[i], FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
            var view = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
            byte* at = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref at);
            fastest = Math.Min(fastest, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            start = Stopwatch.GetTimestamp();
            for (long offset = 0; offset < view.Capacity; offset += Page) sum += at[offset];
            touch = Math.Min(touch, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            views[i] = (file, view);
        }
        GC.KeepAlive(sum);
        var (ownAfter, sharedAfter) = Resident();
        foreach (var (file, view) in views)
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
            view.Dispose();
            file.Dispose();
        }
        return (fastest, touch, (ownAfter - own) / files.Count, (sharedAfter - shared) / files.Count);
    }

    private static double Fastest(Action work)
    {
        var fastest = double.MaxValue;
        for (var i = 0; i < 5; i++)
        {
            var start = Stopwatch.GetTimestamp();
            work();
            fastest = Math.Min(fastest, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }
        return fastest;
    }

    /// <summary>KiB of memory of the process's own, and of files.</summary>
    private static (double Own, double Files) Resident()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        var lines = File.ReadAllLines("/proc/self/status");
        double Of(string name) => double.Parse(lines.Single(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        return (Of("RssAnon:"), Of("RssFile:"));
    }
}
