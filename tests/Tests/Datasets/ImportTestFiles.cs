using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Atoll.Contracts;
using Atoll.Datasets;

namespace Atoll.Tests.Datasets;

/// <summary>Runs imports in a temporary folder.</summary>
internal sealed class ImportBench : IDisposable
{
    private readonly TestFolder _folder = new();
    private int _files;

    public string DataPath => Path.Combine(_folder.Path, "data");

    public string IndexPath => Path.Combine(_folder.Path, "index");

    public SourceFile File(string name, byte[] content, string? split = null)
    {
        var path = Path.Combine(_folder.Path, $"upload{_files++}");
        System.IO.File.WriteAllBytes(path, content);
        return new SourceFile(name, path, split);
    }

    public SourceFile File(string name, string content, string? split = null) => File(name, Encoding.UTF8.GetBytes(content), split);

    public ImportOutcome Run(string type, ImportSettings settings, params SourceFile[] files)
    {
        using var data = System.IO.File.Create(DataPath);
        using var index = System.IO.File.Create(IndexPath);
        return DatasetImport.Run(DatasetFormats.Find(type)!, files, settings, data, index, null, CancellationToken.None);
    }

    public SamplePackReader Open() => SamplePackReader.Open(DataPath, IndexPath);

    public void Dispose() => _folder.Dispose();
}

/// <summary>Makes zip files, also broken ones.</summary>
internal static class TestZip
{
    public static byte[] Of(params (string Name, byte[] Bytes)[] entries) => Of(entries, CompressionLevel.Fastest);

    public static byte[] Of(IEnumerable<(string Name, byte[] Bytes)> entries, CompressionLevel level)
    {
        var file = new MemoryStream();
        using (var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, bytes) in entries)
            {
                using var stream = zip.CreateEntry(name, level).Open();
                stream.Write(bytes);
            }
        }

        return file.ToArray();
    }

    /// <summary>Changes a field of an entry in the directory; the position is that of the zip format's central header.</summary>
    public static byte[] WithField(byte[] zip, string name, int position, params byte[] value)
    {
        var changed = zip.ToArray();
        int header = DirectoryEntry(changed, name);
        value.CopyTo(changed.AsSpan(header + position));
        return changed;
    }

    /// <summary>Changes one byte of an entry's packed content.</summary>
    public static byte[] WithDamage(byte[] zip, string name)
    {
        var changed = zip.ToArray();
        int header = DirectoryEntry(changed, name);
        int local = BinaryPrimitives.ReadInt32LittleEndian(changed.AsSpan(header + 42));
        int data = local + 30 + BinaryPrimitives.ReadUInt16LittleEndian(changed.AsSpan(local + 26)) + BinaryPrimitives.ReadUInt16LittleEndian(changed.AsSpan(local + 28));
        changed[data + 12] ^= 0x55;
        return changed;
    }

    private static int DirectoryEntry(byte[] zip, string name)
    {
        var text = Encoding.UTF8.GetBytes(name);
        for (int at = zip.Length - 46; at >= 0; at--)
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(zip.AsSpan(at)) == 0x02014B50 && zip.AsSpan(at + 46).StartsWith(text)
                && BinaryPrimitives.ReadUInt16LittleEndian(zip.AsSpan(at + 28)) == text.Length) return at;
        }

        throw new ArgumentException($"There is no entry {name}.");
    }
}
