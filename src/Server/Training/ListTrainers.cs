using Atoll.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Atoll.Training;

/// <summary>Tells what may be chosen about each kind of training.</summary>
internal static class ListTrainers
{
    public static Ok<Page<TrainerResponse>> Handle() => TypedResults.Ok(new Page<TrainerResponse>(
    [
        .. ParameterTable.All.Select(table => new TrainerResponse(
            table.SampleType, [.. table.Parameters.Select(parameter => new TrainerParameterResponse(parameter.Name, parameter.Expected, parameter.Default, parameter.Meaning))])),
    ]));
}
