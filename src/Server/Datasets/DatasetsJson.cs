using System.Text.Json.Serialization;

namespace Atoll.Datasets;

/// <summary>How this module's own records are stored.</summary>
[JsonSerializable(typeof(IReadOnlyList<ImportFile>))]
internal sealed partial class DatasetsJson : JsonSerializerContext;
