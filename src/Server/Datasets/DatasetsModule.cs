using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Atoll.Platform.Security;
using Microsoft.Extensions.Options;

namespace Atoll.Datasets;

/// <summary>Datasets of every type behind one interface: imports, immutable versions, samples.</summary>
internal static class DatasetsModule
{
    private const string UploadDescription =
        "As a multipart form: the members of the JSON body as fields, and one or more files as `file`, or as `train`, `validation` and `test`. As JSON: with the `url` of one file.";

    /// <summary>The job behind every import.</summary>
    public static JobKind ImportJob { get; } = new(RunImport.Kind, RunImport.Lane, typeof(RunImport));

    public static void AddDatasets(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSettings<DatasetsOptions>("Datasets");
        var options = (DatasetsOptions)Settings.Read(configuration, new SettingsSection("Datasets", typeof(DatasetsOptions)));
        services.AddSingleton<IBlobReferences, DatasetTables.BlobReferences>();
        services.AddSingleton<UrlDownload>();
        services.AddJobKind(ImportJob);
        services.AddJobLane(RunImport.Lane, options.ImportSlots);
    }

    public static void MapDatasets(this RouteGroupBuilder api)
    {
        var upload = new UploadLimit(((IEndpointRouteBuilder)api).ServiceProvider.GetRequiredService<IOptions<AtollOptions>>().Value.UploadBytesMax);
        var datasets = api.MapGroup("/datasets").WithTags("Datasets");
        datasets.MapPost("/", CreateImport.HandleNewAsync).Needs(Permissions.DatasetsWrite).Repeatable().WithMetadata(upload).Accepts<ImportRequest>("application/json", "multipart/form-data").DisableAntiforgery()
            .WithExample("""{"name":"leads","type":"tabular","url":"https://example.org/leads.csv","label":"converted"}""").WithDescription(UploadDescription)
            .WithName("createDataset").WithSummary("Make a dataset of uploaded files, or of a file behind an address; ?wait=true answers when it is done.");
        datasets.MapGet("/", ListDatasets.HandleAsync).Needs(Permissions.DatasetsRead)
            .WithName("listDatasets").WithSummary("Datasets by name.");
        datasets.MapGet("/{dataset}", ListDatasets.HandleOneAsync).Needs(Permissions.DatasetsRead)
            .WithName("getDataset").WithSummary("A dataset with the size of its newest version.");
        datasets.MapDelete("/{dataset}", DeleteDataset.HandleAsync).Needs(Permissions.DatasetsWrite)
            .WithName("deleteDataset").WithSummary("Delete a dataset and its versions.");
        datasets.MapPost("/{dataset}/versions", CreateImport.HandleVersionAsync).Needs(Permissions.DatasetsWrite).Repeatable().WithMetadata(upload).Accepts<ImportRequest>("application/json", "multipart/form-data").DisableAntiforgery()
            .WithExample("""{"url":"https://example.org/leads-2025.csv","label":"converted"}""").WithDescription(UploadDescription)
            .WithName("createDatasetVersion").WithSummary("Make the next version of a dataset; ?wait=true answers when it is done.");
        datasets.MapGet("/{dataset}/versions", ListDatasetVersions.HandleAsync).Needs(Permissions.DatasetsRead)
            .WithName("listDatasetVersions").WithSummary("Versions of a dataset, newest first.");
        datasets.MapGet("/{dataset}/versions/{version}", ListDatasetVersions.HandleOneAsync).Needs(Permissions.DatasetsRead)
            .WithName("getDatasetVersion").WithSummary("A version, by number or 'latest': schema, labels, splits, statistics, warnings.");
        datasets.MapGet("/{dataset}/versions/{version}/samples", ListSamples.HandleAsync).Needs(Permissions.DatasetsRead)
            .WithName("listSamples").WithSummary("Samples of a version, of any type, by split and label.");
        datasets.MapGet("/{dataset}/versions/{version}/samples/{sample}", ListSamples.HandleOneAsync).Needs(Permissions.DatasetsRead)
            .WithName("getSample").WithSummary("One sample.");
        datasets.MapGet("/{dataset}/versions/{version}/samples/{sample}/content", ListSamples.HandleContentAsync).Needs(Permissions.DatasetsRead)
            .WithName("downloadSample").WithSummary("The bytes of a sample: the image or the sound, the text, or the row as csv.");

        var imports = api.MapGroup("/imports").WithTags("Datasets");
        imports.MapGet("/{import}", GetImport.HandleAsync).Needs(Permissions.DatasetsRead)
            .WithName("getImport").WithSummary("Where an import stands, and every problem it found.");
        imports.MapAction("/{import}:cancel", GetImport.HandleCancelAsync).Needs(Permissions.DatasetsWrite)
            .WithName("cancelImport").WithSummary("Stop an import; nothing of it remains.");
    }
}
