using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;

namespace Atoll.Client;

/// <summary>A file to upload into a dataset; read while it is sent, never held in memory.</summary>
public abstract class DatasetFile
{
    private protected DatasetFile(string name, string? split, long? length)
    {
        Name = name;
        Split = split;
        Length = length;
    }

    /// <summary>Name that messages about the file use.</summary>
    public string Name { get; }

    /// <summary><c>train</c> or <c>test</c>; null lets the server split.</summary>
    public string? Split { get; }

    /// <summary>Bytes that will be read, when known.</summary>
    public long? Length { get; }

    /// <summary>A file: csv, jsonl, or a zip of images or sounds with a folder for each label.</summary>
    public static DatasetFile FromFile(string path, string? split = null) => new OnDisk(path, split);

    /// <summary>A folder that has a folder of images or sounds for each label; it is zipped on its way.</summary>
    /// <exception cref="ArgumentException">There are no folders with files in it.</exception>
    public static DatasetFile FromFolder(string path, string? split = null) => new Folder(path, split);

    /// <summary>Writes the file's bytes to the network.</summary>
    private protected abstract Task WriteAsync(Stream target, Action<long> read, CancellationToken cancellationToken);

    internal HttpContent ToContent(Action<long> read)
    {
        var content = new Content(this, read);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        return content;
    }

    private static async Task CopyAsync(string path, Stream target, Action<long> read, CancellationToken cancellationToken)
    {
        var source = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.Asynchronous | FileOptions.SequentialScan);
        await using (source.ConfigureAwait(false))
        {
            var buffer = new byte[128 * 1024];
            int count;
            while ((count = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            {
                await target.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                read(count);
            }
        }
    }

    private sealed class OnDisk(string path, string? split) : DatasetFile(System.IO.Path.GetFileName(path), split, new FileInfo(path).Length)
    {
        private protected override Task WriteAsync(Stream target, Action<long> read, CancellationToken cancellationToken) =>
            CopyAsync(path, target, read, cancellationToken);
    }

    private sealed class Folder : DatasetFile
    {
        private readonly List<(string Path, string Entry)> _files;

        public Folder(string path, string? split)
            : this(path, split, Find(path))
        {
        }

        private Folder(string path, string? split, List<(string Path, string Entry)> files)
            : base(new DirectoryInfo(path).Name + ".zip", split, files.Sum(file => new FileInfo(file.Path).Length)) => _files = files;

        private protected override async Task WriteAsync(Stream target, Action<long> read, CancellationToken cancellationToken)
        {
            var archive = await ZipArchive.CreateAsync(target, ZipArchiveMode.Create, leaveOpen: true, entryNameEncoding: null, cancellationToken).ConfigureAwait(false);
            await using (archive.ConfigureAwait(false))
            {
                foreach (var (path, name) in _files)
                {
                    // Images are compressed already.
                    var isPlain = name.EndsWith(".wav", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".csv", StringComparison.OrdinalIgnoreCase);
                    var entry = archive.CreateEntry(name, isPlain ? CompressionLevel.Fastest : CompressionLevel.NoCompression);
                    var stream = await entry.OpenAsync(cancellationToken).ConfigureAwait(false);
                    await using (stream.ConfigureAwait(false)) await CopyAsync(path, stream, read, cancellationToken).ConfigureAwait(false);
                }
            }
        }

        private static List<(string Path, string Entry)> Find(string path)
        {
            // Beside the folders, a list of labels is all that means something.
            var files = Directory.EnumerateDirectories(path).Where(IsSeen)
                .SelectMany(label => Directory.EnumerateFiles(label, "*", SearchOption.AllDirectories))
                .Concat(Directory.EnumerateFiles(path, "*.csv"))
                .Where(IsSeen).Order(StringComparer.Ordinal)
                .Select(file => (file, System.IO.Path.GetRelativePath(path, file).Replace('\\', '/'))).ToList();
            return files.Exists(file => file.Item2.Contains('/'))
                ? files
                : throw new ArgumentException($"The folder {path} holds no folders with files. Put the images or sounds of each label into a folder of that name.", nameof(path));
        }

        private static bool IsSeen(string path) => System.IO.Path.GetFileName(path) is not ['.', ..] and not "__MACOSX" and not "Thumbs.db";
    }

    private sealed class Content(DatasetFile file, Action<long> read) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            file.WriteAsync(stream, read, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            file.WriteAsync(stream, read, cancellationToken);

        protected override bool TryComputeLength(out long length)
        {
            // A zip made on the way is a little longer than its files; it goes in chunks.
            length = file is OnDisk ? file.Length!.Value : 0;
            return file is OnDisk;
        }
    }
}
