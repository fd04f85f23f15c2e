using Atoll.Platform.Blobs;

namespace Atoll.Datasets;

/// <summary>Datasets of every type behind one interface: imports, immutable versions, samples.</summary>
internal static class DatasetsModule
{
    public static void AddDatasets(this IServiceCollection services) => services.AddSingleton<IBlobReferences, DatasetTables.BlobReferences>();
}
