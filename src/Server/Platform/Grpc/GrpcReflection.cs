using Atoll.Platform.Grpc.Messages;
using Google.Protobuf.Reflection;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace Atoll.Platform.Grpc;

/// <summary>Gives tools such as grpcurl the .proto files of what is served.</summary>
internal sealed class GrpcReflection(EndpointDataSource routes)
{
    private const int EchoBytesMax = 1024;

    private readonly Lazy<Described> _described = new(() => new Described(
        [.. routes.Endpoints.Select(route => route.Metadata.GetMetadata<GrpcRoute>()?.Service).OfType<ServiceDescriptor>().Distinct()]));

    public async Task ServerReflectionInfo(
        IAsyncStreamReader<ServerReflectionRequest> requests, IServerStreamWriter<ServerReflectionResponse> responses, ServerCallContext context)
    {
        while (await requests.MoveNext(context.CancellationToken)) await responses.WriteAsync(Answer(requests.Current), context.CancellationToken);
    }

    private ServerReflectionResponse Answer(ServerReflectionRequest request)
    {
        var response = new ServerReflectionResponse();

        // What is longer is not worth its echo: nobody needs a credential to ask for it.
        if (request.CalculateSize() <= EchoBytesMax) (response.ValidHost, response.OriginalRequest) = (request.Host, request);
        var described = _described.Value;
        switch (request.MessageRequestCase)
        {
            case ServerReflectionRequest.MessageRequestOneofCase.ListServices:
                response.ListServicesResponse = new ListServiceResponse();
                response.ListServicesResponse.Service.AddRange(described.Services.Select(service => new ServiceResponse { Name = service.FullName }));
                break;

            case ServerReflectionRequest.MessageRequestOneofCase.FileByFilename when described.Files.TryGetValue(request.FileByFilename, out var file):
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingSymbol when described.Symbols.TryGetValue(request.FileContainingSymbol, out file):
                response.FileDescriptorResponse = new FileDescriptorResponse();
                response.FileDescriptorResponse.FileDescriptorProto.AddRange(WithDependencies(file).Select(one => one.SerializedData));
                break;

            case ServerReflectionRequest.MessageRequestOneofCase.AllExtensionNumbersOfType when described.Symbols.ContainsKey(request.AllExtensionNumbersOfType):
                response.AllExtensionNumbersResponse = new ExtensionNumberResponse { BaseTypeName = request.AllExtensionNumbersOfType };
                break;

            case ServerReflectionRequest.MessageRequestOneofCase.None:
                response.ErrorResponse = new ErrorResponse { ErrorCode = (int)StatusCode.InvalidArgument, ErrorMessage = "The request asks for nothing." };
                break;

            default:
                response.ErrorResponse = new ErrorResponse { ErrorCode = (int)StatusCode.NotFound, ErrorMessage = "There is no such file, symbol or extension." };
                break;
        }
        return response;
    }

    private static IEnumerable<FileDescriptor> WithDependencies(FileDescriptor file) => file.Dependencies.SelectMany(WithDependencies).Prepend(file).Distinct();

    /// <summary>What can be asked for, by name.</summary>
    private sealed class Described
    {
        public Described(IReadOnlyList<ServiceDescriptor> services)
        {
            Services = services;
            foreach (var file in services.SelectMany(service => WithDependencies(service.File)).Distinct())
            {
                Files[file.Name] = file;
                foreach (var service in file.Services)
                {
                    Symbols[service.FullName] = file;
                    foreach (var method in service.Methods) Symbols[method.FullName] = file;
                }
                foreach (var message in file.MessageTypes) Add(message);
                foreach (var one in file.EnumTypes) Symbols[one.FullName] = file;
            }
        }

        public IReadOnlyList<ServiceDescriptor> Services { get; }

        public Dictionary<string, FileDescriptor> Files { get; } = [];

        public Dictionary<string, FileDescriptor> Symbols { get; } = [];

        private void Add(MessageDescriptor message)
        {
            Symbols[message.FullName] = message.File;
            foreach (var nested in message.NestedTypes) Add(nested);
            foreach (var one in message.EnumTypes) Symbols[one.FullName] = message.File;
        }
    }
}
