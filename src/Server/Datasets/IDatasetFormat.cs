using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>A type of dataset: how files become samples, and how a sample is shown. A new type is a new implementation and nothing else.</summary>
internal interface IDatasetFormat
{
    /// <summary>One of <see cref="DatasetTypes"/>.</summary>
    string Type { get; }

    /// <summary>Reads the files and gives their samples, problems and statistics to the sink.</summary>
    DatasetSchema Import(IReadOnlyList<SourceFile> files, ImportSettings settings, SampleSink sink, CancellationToken cancellationToken);

    /// <summary>Fills in what is special to the type.</summary>
    SampleResponse Describe(SampleResponse sample, ReadOnlySpan<byte> payload, DatasetSchema schema);

    /// <summary>Media type of a sample's bytes.</summary>
    string ContentType(ReadOnlySpan<byte> payload);
}

/// <summary>Every type of dataset.</summary>
internal static class DatasetFormats
{
    private static readonly IDatasetFormat[] All = [new TabularFormat(), new TextFormat(), new ImageFolderFormat(), new EntityFormat(), new SoundFormat()];

    public static IReadOnlyList<string> Types { get; } = [.. All.Select(format => format.Type)];

    public static IDatasetFormat? Find(string type) => All.FirstOrDefault(format => format.Type == type);
}
